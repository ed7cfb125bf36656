wsgi_app = "shop:app"
bind = "unix:{place}/run/shop.sock"
forwarded_allow_ips = "127.0.0.1"
umask = 0o007
backlog = 512
