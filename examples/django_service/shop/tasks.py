"""What is done in the background."""

from celery import shared_task
from django.core.mail import send_mail

from shop.models import Order


@shared_task(autoretry_for=(OSError,), default_retry_delay=60)
def confirm(number: int) -> None:
    """Tell the customer that the order has come."""
    order = Order.objects.get(pk=number)
    send_mail(f"Order {number}", "Thank you!", "shop@example.org", [order.customer])
    order.confirmed = True
    order.save()
