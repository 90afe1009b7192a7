"""What the web part of the service does."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

from shop.models import Order
from shop.tasks import confirm


def order(request: HttpRequest) -> HttpResponse:
    """Take an order; its task must not overtake the transaction, nor be sent if that is rolled back."""
    try:
        with transaction.atomic():
            found = Order.objects.create(customer=request.POST["customer"])
            confirm.delay_on_commit(found.pk)
            found.full_clean()
    except ValidationError as error:
        return HttpResponseBadRequest(str(error))
    return HttpResponse(found.pk, status=201)
