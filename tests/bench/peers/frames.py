"""The way of those who think in tables: httpx, pandas, XlsxWriter, smtplib; Telegram by httpx."""

import os
import smtplib
import ssl
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

COLUMNS = {
    "id": "ID",
    "created_at": "Timestamp",
    "status": "Status",
    "duration": "Duration (s)",
    "records_processed": "Records Processed",
    "records_failed": "Records Failed",
    "success_rate": "Success Rate",
}
PAGE = 1000
START = datetime.fromisoformat(os.environ["BENCH_START"])
TITLE = f"Hourly Report - {START:%Y-%m-%d %H:%M} UTC"


def fetch(client: httpx.Client) -> list[dict[str, Any]]:
    """Collect the hour's rows."""
    key = os.environ["SUPABASE_KEY"]
    hour = [f"gte.{START.isoformat()}", f"lt.{(START + timedelta(hours=1)).isoformat()}"]
    rows: list[dict[str, Any]] = []
    while True:
        response = client.get(
            f"{os.environ['SUPABASE_URL']}/rest/v1/analyses",
            params={"select": "*", "created_at": hour, "order": "created_at,id", "offset": len(rows), "limit": PAGE},
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
        )
        page = response.raise_for_status().json()
        rows += page
        if len(page) < PAGE:
            return rows


def build(rows: list[dict[str, Any]]) -> Path:
    """Write the workbook from a frame."""
    frame = pd.DataFrame(rows)
    frame["created_at"] = pd.to_datetime(frame["created_at"], format="ISO8601").dt.tz_localize(None)
    processed, failed = frame["records_processed"], frame["records_failed"]
    frame["success_rate"] = ((processed - failed) / processed).where(processed != 0, 1.0)
    frame = frame[list(COLUMNS)].rename(columns=COLUMNS)
    path = Path(os.environ["REPORT_DIR"], f"report_{START:%Y%m%d_%H%M%S}.xlsx")
    with pd.ExcelWriter(path, engine="xlsxwriter", datetime_format="yyyy-mm-dd hh:mm:ss") as writer:
        frame.to_excel(writer, sheet_name="Hourly Report", index=False)
        sheet, book = writer.sheets["Hourly Report"], writer.book
        header = book.add_format({"bold": True, "font_color": "white", "bg_color": "#4472C4", "align": "center"})
        for column, title in enumerate(frame.columns):
            sheet.write(0, column, title, header)
            sheet.set_column(column, column, max(len(title), int(frame[title].astype(str).str.len().max())) + 2)
        sheet.set_column(6, 6, 14, book.add_format({"num_format": "0.0%"}))
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(frame), len(COLUMNS) - 1)
    return path


def send_mail(path: Path) -> None:
    """Send one message to everyone."""
    message = EmailMessage()
    message["From"], message["To"] = os.environ["SMTP_FROM"], os.environ["SMTP_TO"]
    message["Subject"] = f"Digital Twin {TITLE}"
    message.set_content("The hour's report is attached.\n")
    message.add_attachment(path.read_bytes(), maintype="application", subtype="octet-stream", filename=path.name)
    host, port = os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])
    with smtplib.SMTP_SSL(host, port, context=ssl.create_default_context(), timeout=60) as server:
        server.login(os.environ["SMTP_USER"], os.environ["SMTP_PASSWORD"])
        server.send_message(message)


def send_telegram(client: httpx.Client, path: Path) -> None:
    """Send the document to the chat."""
    url = f"{os.environ['TELEGRAM_API_URL']}/bot{os.environ['TELEGRAM_BOT_TOKEN']}/sendDocument"
    fields = {"chat_id": os.environ["TELEGRAM_CHAT_ID"], "caption": TITLE}
    with path.open("rb") as document:
        client.post(url, data=fields, files={"document": (path.name, document)}).raise_for_status()


if __name__ == "__main__":
    with httpx.Client(timeout=60) as session:
        report = build(fetch(session))
        send_mail(report)
        send_telegram(session, report)
