"""For Django projects: among the `INSTALLED_APPS` it brings `manage.py runprefork`.

It is imported by the project's own interpreter and needs Django and the standard library only. What Prefork's workers do for
Django (connections at a fork) needs none of it: that is in `worker/hosts/django.py`.
"""
