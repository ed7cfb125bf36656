import os
wsgi_app = "shop:app"
bind = f"0.0.0.0:{os.environ.get('PORT', '8123')}"
workers = int(os.getenv("WEB_CONCURRENCY", 2))
loglevel = os.getenv("LOG_LEVEL", "info").lower()
