{
    "name": "Prefork's lab",
    "summary": "Orders in a chat, and the scheduled action that fulfils them",
    "version": "1.0",
    "category": "Hidden",
    "license": "Other OSI approved licence",
    "depends": ["mail"],
    "data": ["action.xml"],
    "installable": True,
}
