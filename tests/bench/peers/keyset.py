"""The obvious script with keyset paging as people write it: what lies behind the last row, within the hour."""

import asyncio
import os
from typing import Any

from supabase import create_client

from .obvious import PAGE, build, send_mail, send_telegram, the_hour


def fetch() -> list[Any]:
    """Collect the hour's rows."""
    client = create_client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_KEY"])
    rows: list[Any] = []
    while True:
        query = the_hour(client).limit(PAGE)
        if rows:
            at, row_id = rows[-1]["created_at"], rows[-1]["id"]
            query = query.or_(f'created_at.gt."{at}",and(created_at.eq."{at}",id.gt."{row_id}")')
        page = query.execute().data
        rows += page
        if len(page) < PAGE:
            return rows


if __name__ == "__main__":
    report = build(fetch())
    send_mail(report)
    asyncio.run(send_telegram(report))
