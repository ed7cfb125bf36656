"""One module per kind of application; each fulfils the contract in `prefork.worker.app`."""
