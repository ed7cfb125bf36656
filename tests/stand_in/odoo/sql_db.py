closed = []


def close_all():
    closed.append(True)
