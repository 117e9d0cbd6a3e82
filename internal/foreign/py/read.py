"""Tells what Python's readers made of each request.

A line with a content type and a body in base64 comes in; a line with a tree,
or the pairs of a flat reader, or an error for each reader goes out.
"""

import base64
import io
import json
import sys
from urllib.parse import parse_qsl

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from werkzeug.wrappers import Request

settings.configure(ALLOWED_HOSTS=["*"])
django.setup()


def environ(kind, body):
    return {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/hook", "SERVER_NAME": "a.example", "SERVER_PORT": "80",
        "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }


def stdlib(kind, body, form):
    if form:
        return {"pairs": parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)}
    return {"tree": json.loads(body)}


def from_django(kind, body, form):
    request = WSGIRequest(environ(kind, body))
    if form:
        return {"pairs": [(k, v) for k, values in request.POST.lists() for v in values]}
    return {"tree": json.loads(request.body)}


def werkzeug(kind, body, form):
    request = Request(environ(kind, body))
    if form:
        return {"pairs": list(request.form.items(multi=True))}
    return {"tree": request.get_json()}


READERS = {"python": stdlib, "django": from_django, "werkzeug": werkzeug}


def read(reader, question):
    kind, body = question["type"], base64.b64decode(question["body"])
    try:
        return reader(kind, body, kind.startswith("application/x-www-form-urlencoded"))
    except Exception as e:  # a refusal is a result
        return {"error": "%s: %s" % (type(e).__name__, e)}


print(json.dumps({"version": "Django " + django.get_version()}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps({name: read(reader, question) for name, reader in READERS.items()}), flush=True)
