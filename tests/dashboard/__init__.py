"""The workbook, its queries and alerts, and the page that draws it."""
