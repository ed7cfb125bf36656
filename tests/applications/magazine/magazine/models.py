"""The pages of the magazine."""

from modelcluster.fields import ParentalKey
from wagtail.contrib.forms.models import AbstractForm, AbstractFormField
from wagtail.fields import RichTextField
from wagtail.models import Page


class FrontPage(Page):
    subpage_types = ("magazine.Article", "magazine.LetterPage")

    def get_context(self, request, *args, **kwargs):
        return {**super().get_context(request, *args, **kwargs), "articles": self.get_children().live().type(Article).specific()}


class Article(Page):
    body = RichTextField()


class LetterField(AbstractFormField):
    page = ParentalKey("magazine.LetterPage", related_name="form_fields")


class LetterPage(AbstractForm):
    landing_page_template = "magazine/letter_thanks.html"
