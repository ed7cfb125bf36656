"""The HTTP/1.1 protocol, without sockets: strict parsing of requests, framing of answers.

`framing` runs inside the application's interpreter too and is standard library only, Python 3.9+; so this file imports nothing.
"""
