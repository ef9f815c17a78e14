"""Start a lesson: a file that builds as it stands, to be filled with something true."""

import re

from grading.environment import SOLUTIONS

TEMPLATE = '''# %% [markdown]
# # {title}
#
# The situation at the airline desk in two or three sentences: what happened, and what has to be decided. You will build
# this, and be able to answer that question. You need pandas and about 45 minutes.

# %%
import matplotlib.pyplot as plt

from daytwo import flights
from grading import check

january = flights().query("month == 1")

# %% [markdown]
# Before you run the next cell, guess: at which hour are most flights late?

# %% fold
january.groupby("hour").late.mean().plot.bar()
plt.xlabel("scheduled hour of departure, local")
plt.ylabel("share of late flights")
plt.show()

# %% [markdown]
# One sentence that says in words what the picture shows.

# %% [markdown]
# ## Exercise 1: name it with a verb
#
# A definition, the formula and its source, and an example: of delays of 0, 10, 20 and 40 minutes half are late.
#
# - a case that matters in production


# %% answer="share_late"
def share_late(delays):
    """The share of arrival delays, in minutes, above 15."""
    ### BEGIN SOLUTION
    return sum(delay > 15 for delay in delays) / len(delays)
    ### END SOLUTION


# %% check="share_late" points=1
# Return the share of delays above 15 minutes, a number from 0 to 1.
check("Half of these four flights are late", share_late([0, 10, 20, 40]), 0.5)
# Count only delays above 15 minutes, not 15 itself.
check("A flight 15 minutes late still counts as on time", share_late([15, 15, 16]), 1 / 3)
### BEGIN HIDDEN TESTS
# Divide by all flights, those that were early too.
check("One flight in five", share_late([-5, 0, 3, 14, 90]), 0.2)
### END HIDDEN TESTS


# %% mistake="share_late"
# Divide by the number of flights: a share lies between 0 and 1.
# -  / len(delays)
# +

# %% mistake="share_late"
# Count only delays above 15 minutes, not 15 itself: that is how the label is defined.
# - delay > 15
# + delay >= 15

# %% mistake="share_late"
# Count the late flights; every flight with a positive delay is too many.
# - delay > 15
# + delay > 0

# %% alternative="share_late"
def share_late(delays):
    late = [delay for delay in delays if delay > 15]
    return len(late) / len(delays)


# %% [markdown]
# ## The answer
#
# The answer to the question the lesson opened with, and two sentences on what people use for it in production.

# %% [markdown] say="q0" points=2
# **Say it.** The interview question, answered aloud in two minutes, with numbers from above.
#
# One point each: a number you measured; when the method fails.
#
# ### BEGIN SOLUTION
# The model answer.
# ### END SOLUTION
'''


def new(name):
    """Write the scaffold of `section/NN_verb_noun`; 0, or 1 with a sentence when it cannot be."""
    if not re.fullmatch(r"\d\d_[a-z_]+/\d\d_[a-z0-9_]+", name):
        print(f"{name!r} is not SECTION/LESSON, such as 04_monitoring/02_detect_drift.")
        return 1
    path = SOLUTIONS / f"{name}.py"
    if path.exists():
        print(f"solutions/{name}.py is already there; nothing was changed.")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    title = path.stem[3:].replace("_", " ").capitalize()
    path.write_text(TEMPLATE.format(title=title), encoding="utf-8", newline="\n")
    print(f"solutions/{name}.py is there. Fill it, then: python -m grading prove {name}")
    return 0
