wsgi_app = "shop:app"
accesslog = "-"
errorlog = "{place}/log/error.log"
access_log_format = "%(h)s %(r)s"

def post_fork(server, worker):
    server.log.info("spawned %s", worker.pid)

def when_ready(server):
    pass
