"""What is in the database."""

from django.db import models


class Order(models.Model):
    """An order, and whether its customer has been told."""

    customer = models.EmailField()
    confirmed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"order {self.pk} of {self.customer}"
