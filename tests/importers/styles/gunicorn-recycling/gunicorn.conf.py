wsgi_app = 'shop:make()'
max_requests = 1000
max_requests_jitter = 50
graceful_timeout = 20
keepalive = 5
preload_app = True
