class Environment(dict):
    def __init__(self, cursor, user, context):
        super().__init__({"ir.http": Routes()})


class Routes:
    def routing_map(self):
        registry_log.append("routing map")


registry_log = []
