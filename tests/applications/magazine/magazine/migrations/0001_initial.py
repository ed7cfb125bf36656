import modelcluster.fields
import wagtail.contrib.forms.models
import wagtail.fields
from django.conf import settings
from django.db import migrations, models


def page(name, *fields, mixins=()):
    parent = models.OneToOneField(
        settings.WAGTAIL_PAGE_MODEL, models.CASCADE, auto_created=True, parent_link=True, primary_key=True, serialize=False
    )
    return migrations.CreateModel(name=name, fields=[("page_ptr", parent), *fields], bases=(*mixins, "wagtailcore.page"))


class Migration(migrations.Migration):
    initial = True
    dependencies = (("wagtailcore", "0098_apitoken"),)
    operations = (
        page("FrontPage"),
        page("Article", ("body", wagtail.fields.RichTextField())),
        page("LetterPage", mixins=(wagtail.contrib.forms.models.FormMixin,)),
        migrations.CreateModel(
            name="LetterField",
            fields=[
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),
                ("sort_order", models.IntegerField(blank=True, editable=False, null=True)),
                ("clean_name", models.CharField(blank=True, default="", max_length=255)),
                ("label", models.CharField(max_length=255)),
                ("field_type", models.CharField(max_length=16)),
                ("required", models.BooleanField(default=True)),
                ("choices", models.TextField(blank=True)),
                ("default_value", models.TextField(blank=True)),
                ("help_text", models.CharField(blank=True, max_length=255)),
                (
                    "page",
                    modelcluster.fields.ParentalKey(to="magazine.LetterPage", on_delete=models.CASCADE, related_name="form_fields"),
                ),
            ],
            options={"ordering": ["sort_order"]},
        ),
    )
