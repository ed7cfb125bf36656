{
    "name": "Prefork's latecomer",
    "summary": "What is installed while the server runs",
    "version": "1.0",
    "category": "Hidden",
    "license": "Other OSI approved licence",
    "depends": ["web"],
    "installable": True,
}
