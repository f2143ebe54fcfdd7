"""A shop on Flask, for gunicorn: `price` takes most of a request."""

from flask import Flask

app = Flask(__name__)


def price(rounds):
    total = 0
    for index in range(rounds):
        total += index * index
    return total


@app.get('/<path:page>')
@app.get('/')
def cart(page=''):
    return str(price(300_000))
