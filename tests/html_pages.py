"""A report as its parts: for tests of what stands in it."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Ids, tags, texts outside the charts, and whether tags close in order."""

    void = {"meta", "link", "br", "img", "hr"}

    def __init__(self, page):
        super().__init__()
        self.ids, self.tags, self.open, self.texts, self.sections = [], [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        self.ids += [named["id"]] if "id" in named else []
        self.sections += [named["id"]] if tag == "section" else []
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for key, value in attributes if key == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"[ \n]+", " ", " ".join(self.texts))
