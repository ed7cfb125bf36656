"""A magazine on Wagtail: a front page, articles, and a form for letters to the editor."""
