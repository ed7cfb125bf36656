"""Run once by the magazine's own interpreter: the database with its pages."""

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "magazine.settings"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
django.setup()

from django.core.management import call_command  # noqa: E402
from magazine.models import Article, FrontPage, LetterField, LetterPage  # noqa: E402
from wagtail.models import Page, Site  # noqa: E402


def build() -> None:
    call_command("migrate", verbosity=0)
    Page.objects.get(slug="home").delete()
    front = Page.objects.get(depth=1).add_child(instance=FrontPage(title="The Magazine", slug="home"))
    Site.objects.create(hostname="127.0.0.1", root_page=front, is_default_site=True)
    for number in range(1, 13):
        paragraphs = "".join(f"<p>Paragraph {line} of article {number}.</p>" for line in range(8))
        front.add_child(instance=Article(title=f"Article {number}", slug=f"article-{number}", body=paragraphs))
    letters = front.add_child(instance=LetterPage(title="Letters to the editor", slug="letters"))
    for order, (label, kind) in enumerate([("Name", "singleline"), ("Letter", "multiline")]):
        LetterField.objects.create(page=letters, sort_order=order, label=label, field_type=kind, required=True)


if __name__ == "__main__":
    build()
