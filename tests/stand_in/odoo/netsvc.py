import logging


def init_logger():
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
