wsgi_app = "shop:app"
backlog = 1
for _ in range(10):
    backlog *= 2
raw_env = ["DEBUG=0", "TZ=UTC"]
