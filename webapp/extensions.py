"""The Flask extensions, created unbound; `create_app` binds them."""

from flask_sqlalchemy import SQLAlchemy

from webapp.models.base import Model

# For the requests' sessions. Tables stand on our own `Model`, so that jobs need no Flask.
db = SQLAlchemy(model_class=Model)
