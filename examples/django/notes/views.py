"""A page for people, and an address for programs."""

import json
import os

from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from .models import Note


def page(request):
    if request.method == "POST":
        Note.objects.create(text=request.POST["text"])
        return redirect("page")
    return render(request, "notes/notes.html", {"notes": Note.objects.all()[:100], "pid": os.getpid()})


@csrf_exempt
def notes(request):
    if request.method == "POST":
        return JsonResponse({"id": Note.objects.create(text=json.loads(request.body)["text"]).id}, status=201)
    return JsonResponse(list(Note.objects.values("id", "text")[:100]), safe=False)
