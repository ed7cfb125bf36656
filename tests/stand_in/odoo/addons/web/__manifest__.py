{"name": "web"}
