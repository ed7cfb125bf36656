{"name": "base"}
