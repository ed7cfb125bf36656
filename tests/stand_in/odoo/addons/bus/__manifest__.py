{"name": "Bus"}
