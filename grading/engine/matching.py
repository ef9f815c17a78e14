"""Where in a release the cells of a submission belong: by grade id, cell id, text, the name they define, likeness."""

from collections import Counter, defaultdict
from difflib import SequenceMatcher

from grading.engine.reading import LOOK, cell_of, role

ALIKE = 0.6  # the share of words, in order, that makes two cells the same


class Match:
    """Where in a release each cell of a submission belongs: `homes`, an index or None for each."""

    def __init__(self, release, cells):
        self.cells, self.released = cells, [cell_of(c) for c in release.cells]
        self.roles = [role(c) for c in release.cells]
        self.by_grade = {c.grade_id: i for i, c in enumerate(self.released) if c.grade_id}
        self.by_id = {c.id: i for i, c in enumerate(self.released) if c.id}
        self.by_text, owners = defaultdict(list), defaultdict(list)
        for i, cell in enumerate(self.released):
            self.by_text[cell.text].append(i)
            for name in cell.names if cell.kind == "code" else ():
                owners[name].append(i)
        self.owner = {n: i for n, (i, *more) in owners.items() if not more and self.roles[i] == "answer"}
        self.named = [{self.owner[n] for n in cell.names & set(self.owner)} for cell in cells]
        self.misnamed, self.guessed = set(), set()  # released cells whose student's cell had a wrong id, or none
        self.homes = []
        for k in range(len(cells)):
            self.homes.append(self._known(k))
        self._by_name()
        self._by_likeness()

    def claims(self, i):
        return [k for k, home in enumerate(self.homes) if home == i]

    def written(self, i):
        """The cells of a released one, in the student's order, that say something it does not."""
        return [k for k in self.claims(i) if self.cells[k].text not in ("", self.released[i].text)]

    def chosen(self, i):
        """The cell that counts for a released one: of answers, the last written one, if it can one that defines it."""
        if not self.solution(i):
            return next(iter(self.claims(i)), None)
        written = self.written(i)
        return ([k for k in written if i in self.named[k]] or written or self.claims(i) or [None])[-1]

    def solution(self, i):
        return self.roles[i] in ("answer", "spoken")

    def _known(self, k):
        """The place that a cell's ids or its very text give it; the name an answer defines is trusted over its id."""
        cell, named = self.cells[k], self.named[k]
        home = self.by_grade.get(cell.grade_id, self.by_id.get(cell.id))
        twins = self.by_text.get(cell.text, ()) if cell.text else ()
        if twins and home not in twins:
            home = next((i for i in twins if i not in self.homes), twins[0])
        if home is not None and self.roles[home] == "answer" and named and home not in named:
            home = min(named)
            self.misnamed.add(home)
        return home

    def _by_name(self):
        """Answers with nothing written under their own id belong to whatever defines their name."""
        for i in set(self.owner.values()):
            if not self.written(i):
                for k, home in enumerate(self.homes):
                    if i in self.named[k] and (home is None or self.roles[home] == "check"):
                        self.homes[k] = i
                        self.guessed.add(i)

    def _by_likeness(self):
        """Released cells that still lack theirs take the most alike; spoken answers may be all new where they stand."""
        lost = [i for i in range(len(self.released)) if not self.claims(i)]
        free = [k for k, home in enumerate(self.homes) if home is None and self.cells[k].text][: LOOK[0]]
        pairs = []
        for k in free:
            before = next((h for h in self.homes[k::-1] if h is not None), -1)
            after = next((h for h in self.homes[k:] if h is not None), -1)
            for i in lost:
                near, cell = i - 1 == before or i + 1 == after, self.released[i]
                score = likeness(cell.words, self.cells[k].words, grows=self.solution(i))
                enough = score >= ALIKE or (near and self.roles[i] == "spoken")
                if enough and (self.cells[k].kind == "code") == (cell.kind == "code"):
                    pairs.append((-score, not near, i, k))
        for _, _, i, k in sorted(pairs):
            if self.homes[k] is None and i not in self.homes:
                self.homes[k] = i
                self.guessed.add(i)


def likeness(released, words, grows):
    """How alike two lists of words are, 0 to 1; what `grows` is judged by how much of the released words it kept."""
    whole = max(1, len(released) if grows else (len(released) + len(words)) / 2)
    if (Counter(released) & Counter(words)).total() < ALIKE * whole:
        return 0
    return sum(m.size for m in SequenceMatcher(None, released, words, autojunk=False).get_matching_blocks()) / whole
