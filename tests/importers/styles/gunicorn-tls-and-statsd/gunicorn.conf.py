wsgi_app = "shop:app"
keyfile = "/etc/ssl/key.pem"
certfile = "/etc/ssl/cert.pem"
statsd_host = "localhost:8125"
daemon = True
proc_name = "shop"
