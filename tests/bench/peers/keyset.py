"""The obvious script with keyset paging as people write it: what lies behind the last row, within the hour."""

import asyncio
import os
from datetime import timedelta
from typing import Any

from supabase import create_client

from .obvious import PAGE, START, build, send_mail, send_telegram


def fetch() -> list[Any]:
    """Collect the hour's rows."""
    client = create_client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_KEY"])
    end = START + timedelta(hours=1)
    rows: list[Any] = []
    while True:
        query = client.table("analyses").select("*").gte("created_at", START.isoformat())
        query = query.lt("created_at", end.isoformat()).order("created_at").order("id").limit(PAGE)
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
