import multiprocessing

wsgi_app = 'shop:app'
cpus = multiprocessing.cpu_count()
workers = min(cpus * 2 + 1, 2)
threads = 4
