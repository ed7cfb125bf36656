-- What wrk sends in the scenario of streams: a body of 1 MiB with each request.
wrk.method = "PUT"
wrk.body = string.rep("x", 1048576)
