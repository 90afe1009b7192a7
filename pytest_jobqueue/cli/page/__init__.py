"""The page: what the desk knows, shown in a browser, and what a reader may do about it.

```
door      a socket on 127.0.0.1, and uvicorn in the desk's own event loop
guard     whom it answers: a browser on this machine that has the page itself open
app       addresses: a look is GET, whatever changes something is POST with the token
asked     what a request asks for, read and checked
views     what is shown, from what the desk has seen already; no Redis is asked for a look
escaped   the only way to HTML: every value is escaped unless it is HTML
static    one style sheet, one script, no other host
```

The page works without the script; with it, it is always up to date, and a reader's place is kept.
Only `door` is imported until the page has an address, since Starlette and uvicorn take their time.
"""
