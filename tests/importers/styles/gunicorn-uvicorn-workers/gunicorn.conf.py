wsgi_app = "shop:app"
worker_class = "uvicorn.workers.UvicornWorker"
workers = 2
worker_connections = 1000
