"""The blueprint that the endpoints are collected on."""

from apiflask import APIBlueprint

api = APIBlueprint("api", __name__, url_prefix="/api")
