"""The script that comes to mind first: supabase-py, openpyxl, smtplib, python-telegram-bot.

Paging by offset is added, so that every row arrives, and certificates are checked, so that the work is the same.
"""

import asyncio
import os
import smtplib
import ssl
from datetime import datetime, timedelta
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import telegram
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from supabase import Client, create_client

HEADER = ("ID", "Timestamp", "Status", "Duration (s)", "Records Processed", "Records Failed", "Success Rate")
PAGE = 1000
START = datetime.fromisoformat(os.environ["BENCH_START"])
TITLE = f"Hourly Report - {START:%Y-%m-%d %H:%M} UTC"


def the_hour(client: Client) -> Any:
    """Ask for the hour's rows in order."""
    end = START + timedelta(hours=1)
    query = client.table("analyses").select("*").gte("created_at", START.isoformat())
    return query.lt("created_at", end.isoformat()).order("created_at").order("id")


def fetch() -> list[Any]:
    """Collect the hour's rows."""
    client = create_client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_KEY"])
    rows: list[Any] = []
    while True:
        page = the_hour(client).range(len(rows), len(rows) + PAGE - 1).execute().data
        rows += page
        if len(page) < PAGE:
            return rows


def build(rows: list[Any]) -> Path:
    """Write the workbook, cell by cell."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Hourly Report"
    for column, title in enumerate(HEADER, 1):
        cell = sheet.cell(row=1, column=column, value=title)
        cell.fill = PatternFill(start_color="4472C4", end_color="4472C4", fill_type="solid")
        cell.font = Font(bold=True, color="FFFFFF")
        cell.alignment = Alignment(horizontal="center", vertical="center")
    for number, row in enumerate(rows, 2):
        processed, failed = row["records_processed"], row["records_failed"]
        sheet.cell(row=number, column=1, value=row["id"])
        sheet.cell(row=number, column=2, value=row["created_at"])
        sheet.cell(row=number, column=3, value=row["status"])
        sheet.cell(row=number, column=4, value=row["duration"])
        sheet.cell(row=number, column=5, value=processed)
        sheet.cell(row=number, column=6, value=failed)
        if processed is not None and failed is not None:
            rate = (processed - failed) / processed * 100 if processed else 100
            sheet.cell(row=number, column=7, value=f"{rate:.1f}%")
    for number, column in enumerate(sheet.columns, 1):
        longest = max(len(str(cell.value)) for cell in column)
        sheet.column_dimensions[get_column_letter(number)].width = longest + 2
    path = Path(os.environ["REPORT_DIR"], f"report_{START:%Y%m%d_%H%M%S}.xlsx")
    book.save(path)
    return path


def send_mail(path: Path) -> None:
    """Send one message to everyone."""
    recipients = os.environ["SMTP_TO"].split(",")
    message = MIMEMultipart()
    message["From"] = os.environ["SMTP_FROM"]
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"Digital Twin {TITLE}"
    message.attach(MIMEText("The hour's report is attached.\n", "plain"))
    part = MIMEBase("application", "octet-stream")
    part.set_payload(path.read_bytes())
    encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=path.name)
    message.attach(part)
    host, port = os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])
    with smtplib.SMTP_SSL(host, port, context=ssl.create_default_context(), timeout=60) as server:
        server.login(os.environ["SMTP_USER"], os.environ["SMTP_PASSWORD"])
        server.sendmail(os.environ["SMTP_FROM"], recipients, message.as_string())


async def send_telegram(path: Path) -> None:
    """Send the document to the chat."""
    bot = telegram.Bot(os.environ["TELEGRAM_BOT_TOKEN"], base_url=f"{os.environ['TELEGRAM_API_URL']}/bot")
    with path.open("rb") as document:
        await bot.send_document(int(os.environ["TELEGRAM_CHAT_ID"]), document, caption=TITLE, read_timeout=60)


if __name__ == "__main__":
    report = build(fetch())
    send_mail(report)
    asyncio.run(send_telegram(report))
