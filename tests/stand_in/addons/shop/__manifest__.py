{"name": "shop"}
