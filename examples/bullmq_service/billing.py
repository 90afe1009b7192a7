"""A small service: it renders invoices in the background, and sends a month's total once all are there."""

from __future__ import annotations

import os
from typing import Any

from bullmq import FlowProducer, Job

SENT: list[str] = []


class PrinterError(Exception):
    """The printer does not answer."""


def render(customer: str) -> str:
    """Print one invoice."""
    return f"{customer}.pdf"


async def process(job: Job, _token: str) -> Any:
    """What the service's worker does with a job."""
    if job.name == "invoice":
        render(job.data["customer"])
        return job.data["amount"]
    if job.name == "close":
        amounts = await job.getChildrenValues()
        SENT.append(f"{job.data['month']}: {sum(amounts.values())}")
        return None
    raise ValueError(f"no such job: {job.name}")


WORKER = {"queue": "invoices", "processor": process}
RETRY = {"attempts": 3, "backoff": {"type": "exponential", "delay": 60_000}, "failParentOnFailure": True}


async def close_month(month: str, amounts: dict[str, int]) -> None:
    """What the web part of the service calls."""
    flow = FlowProducer({"connection": os.environ.get("REDIS_URL", "redis://redis:6379")})
    invoices = [
        {
            "name": "invoice",
            "queueName": "invoices",
            "data": {"customer": customer, "amount": amount},
            "opts": RETRY,
        }
        for customer, amount in amounts.items()
    ]
    await flow.add({"name": "close", "queueName": "invoices", "data": {"month": month}, "children": invoices})
    await flow.close()
