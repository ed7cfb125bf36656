"""Where what is."""

from django.urls import path
from notes import views

urlpatterns = [path("", views.page, name="page"), path("notes", views.notes)]
