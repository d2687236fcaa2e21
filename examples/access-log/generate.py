"""Write the example's web access log: 100,000 requests in an hour, the same ones each time.

Usage: generate.py DIRECTORY

Three web servers log in Apache's combined format; each quarter of the hour has its own directory,
named YYYY-MM-DD-HH-MM. Nothing is done if the directory is there already. No outside data: the
addresses are those reserved for documentation, the shop is made up.
"""

import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

SEED = 20240514
START = datetime(2024, 5, 14, 9)
QUARTER = timedelta(minutes=15)
REQUESTS_PER_QUARTER = (22_000, 24_500, 26_000, 27_500)
SERVERS = ("web-1.log", "web-2.log", "web-3.log")

METHODS = {"GET": 86.0, "POST": 9.0, "HEAD": 3.0, "PUT": 1.2, "DELETE": 0.5, "OPTIONS": 0.3}
PAGES = {
    "/": 18.0,
    "/products/{item}": 26.0,
    "/category/{category}?page={page}": 14.0,
    "/search?q={word}&page={page}": 9.0,
    "/static/css/site.css": 6.0,
    "/static/js/app.{build}.js": 6.0,
    "/static/img/{item}.webp": 12.0,
    "/favicon.ico": 2.0,
    "/robots.txt": 1.0,
    "/help/how-to-GET-a-refund": 0.8,
    "/wp-login.php": 0.7,
    "/.env": 0.3,
    "/feed.xml": 1.2,
    "/health": 3.0,
}
ACTIONS = {
    "/cart/items": 40.0,
    "/cart/items/{item}": 20.0,
    "/checkout": 12.0,
    "/login": 18.0,
    "/api/v2/budGETs/{item}": 4.0,
    "/api/v2/reviews": 6.0,
}
AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/124.0.0.0 Safari/537.36": 38.0,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/17.4 Mobile/15E148 Safari/604.1": 24.0,
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0": 11.0,
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/124.0.0.0 Mobile Safari/537.36": 17.0,
    "ExampleBot/2.1 (+https://bot.example/about)": 6.0,
    "curl/8.5.0": 2.0,
    "-": 2.0,
}
REFERRERS = {
    "-": 45.0,
    "https://shop.example/": 30.0,
    "https://shop.example/category/garden": 15.0,
    "https://search.example/?q=garden+hose": 10.0,
}
CATEGORIES = ("garden", "kitchen", "tools", "toys", "books", "lighting")
WORDS = ("hose", "lamp", "drill", "kettle", "train+set", "GET+well+card", "na%C3%AFve", "shelf")
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")


class Choice:
    """Draws from weighted values."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._values = list(weights)
        self._bounds = list(accumulate(weights.values()))

    def draw(self, source: random.Random) -> str:
        return source.choices(self._values, cum_weights=self._bounds)[0]


METHOD, PAGE, ACTION = Choice(METHODS), Choice(PAGES), Choice(ACTIONS)
AGENT, REFERRER = Choice(AGENTS), Choice(REFERRERS)


def path_for(method: str, source: random.Random) -> str:
    template = (PAGE if method in ("GET", "HEAD") else ACTION).draw(source)
    return template.format(
        # Squared, so that a few products are much asked for and most hardly ever.
        item=1000 + int(9000 * source.random() ** 2),
        category=source.choice(CATEGORIES),
        page=1 + int(20 * source.random() ** 3),
        word=source.choice(WORDS),
        build="8f3c1d",
    )


def status_for(method: str, path: str, source: random.Random) -> int:
    if path in ("/wp-login.php", "/.env"):
        return 404
    luck = source.random()
    if luck < 0.004:
        return 500 if luck < 0.003 else 503
    if luck < 0.03:
        return 404
    if method == "POST":
        return 302 if luck < 0.6 else 201
    if path.startswith("/static") and luck < 0.35:
        return 304
    return 204 if method in ("DELETE", "OPTIONS") else 200


def size_for(method: str, path: str, status: int, source: random.Random) -> str:
    if method == "HEAD" or status in (204, 304):
        return "-"
    if status >= 300:
        return str(150 + int(400 * source.random()))
    typical = 40_000 if path.endswith((".webp", ".js")) else 9_000
    return str(int(typical * source.lognormvariate(0, 0.6)))


def request(moment: datetime, source: random.Random) -> str:
    method = METHOD.draw(source)
    path = path_for(method, source)
    status = status_for(method, path, source)
    size = size_for(method, path, status, source)
    address = f"{source.choice(NETWORKS)}.{1 + int(254 * source.random() ** 1.5)}"
    user = "-" if source.random() < 0.93 else f"customer{1 + int(400 * source.random())}"
    version = "HTTP/2.0" if source.random() < 0.8 else "HTTP/1.1"
    return (
        f"{address} - {user} [{moment:%d/%b/%Y:%H:%M:%S} +0000]"
        f' "{method} {path} {version}" {status} {size}'
        f' "{REFERRER.draw(source)}" "{AGENT.draw(source)}"\n'
    )


def quarter(start: datetime, requests: int, source: random.Random) -> Iterator[str]:
    """A quarter of an hour of requests in order of time."""
    seconds = QUARTER.total_seconds()
    for offset in sorted(source.random() * seconds for _ in range(requests)):
        yield request(start + timedelta(seconds=offset), source)


def write(directory: Path, source: random.Random) -> None:
    for index, requests in enumerate(REQUESTS_PER_QUARTER):
        start = START + index * QUARTER
        folder = directory / f"{start:%Y-%m-%d-%H-%M}"
        folder.mkdir(parents=True)
        lines: dict[str, list[str]] = {server: [] for server in SERVERS}
        for line in quarter(start, requests, source):
            # The balancer favours the first server, as balancers do.
            lines[source.choices(SERVERS, weights=(5, 4, 3))[0]].append(line)
        for server, written in lines.items():
            (folder / server).write_text("".join(written), encoding="utf-8")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py DIRECTORY")
    directory = Path(sys.argv[1])
    if directory.exists():
        return
    # Renamed when whole, so that an interrupted run leaves nothing that looks finished.
    unfinished = directory.with_name(directory.name + ".unfinished")
    for left in sorted(unfinished.rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    write(unfinished, random.Random(SEED))
    unfinished.rename(directory)


if __name__ == "__main__":
    main()
