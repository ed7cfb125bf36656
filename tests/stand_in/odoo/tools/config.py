import configparser
import optparse

from odoo import netsvc


def group_of(parser):
    return [option for group in parser.option_groups for option in group.option_list]


class Config:
    """Flags over file over defaults, as texts and numbers."""

    def __init__(self):
        self.options = {
            "db_name": False,
            "logfile": None,
            "workers": 0,
            "x_sendfile": False,
            "data_dir": "/nowhere",
            "dev_mode": [],
        }
        self.parser = optparse.OptionParser()
        group = optparse.OptionGroup(self.parser, "All")
        group.add_option("-c", "--config", dest="config")
        group.add_option("--logfile", dest="logfile")
        group.add_option("--workers", dest="workers", type="int")
        group.add_option("--max-cron-threads", dest="max_cron_threads", type="int")
        group.add_option("--http-port", dest="http_port", type="int")
        group.add_option("--load", dest="server_wide_modules")
        group.add_option("-d", "--database", dest="db_name")
        group.add_option("-u", "--update", dest="update")
        group.add_option("-i", "--init", dest="init")
        group.add_option("--proxy-mode", dest="proxy_mode", action="store_true")
        group.add_option("--log-handler", dest="log_handler", action="append")
        group.add_option("--stop-after-init", dest="stop_after_init", action="store_true")
        self.parser.add_option_group(group)

    def parse_config(self, args, *, setup_logging=None):
        given, rest = self.parser.parse_args(args)
        if rest:
            self.parser.error(f"unrecognized parameters: {rest}")
        file = configparser.RawConfigParser()
        file.read(given.config)
        if file.has_section("options"):
            self.options.update(file.items("options"))
        self.options.update({name: value for name, value in vars(given).items() if value is not None})
        for option in group_of(self.parser):
            text = self.options.get(option.dest)
            if isinstance(text, str) and option.type in option.TYPE_CHECKER:  # as Odoo does: a comment is no number
                self.options[option.dest] = option.TYPE_CHECKER[option.type](option, option.dest, text)
        for name in ("init", "update"):
            self.options[name] = dict.fromkeys((getattr(given, name) or "").split(","), 1) if getattr(given, name) else {}
        if setup_logging:
            netsvc.init_logger()

    def __getitem__(self, key):
        return self.options[key]

    def __setitem__(self, key, value):
        self.options[key] = value

    def get(self, key, default=None):
        return self.options.get(key, default)


config = Config()
