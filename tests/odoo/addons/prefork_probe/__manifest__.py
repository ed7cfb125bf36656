{
    "name": "Prefork's probe",
    "summary": "Requests that tell, and requests that do harm",
    "version": "1.0",
    "category": "Hidden",
    "license": "Other OSI approved licence",
    "depends": ["bus"],
    "installable": True,
}
