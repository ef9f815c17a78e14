# %% [markdown]
# # Start here
#
# A model is easy to love on the day it ships. **Day Two** is about every day after that: the feed that freezes,
# the label that comes late, the release that has to be taken back, the drift that matters and the drift that
# does not.
#
# You keep one real model alive through one real year. The data is every flight that was scheduled to leave New York in
# 2013, 336,776 of them; the model says, two hours before departure, how likely a flight is to arrive more than 15
# minutes late.

# %%
import matplotlib.pyplot as plt

from daytwo import flights
from grading import check, progress

year = flights()
by_day = year.groupby(year.sched_dep.dt.floor("D")).late.mean() * 100
plt.figure(figsize=(9, 2.8), layout="constrained")
plt.plot(by_day.index, by_day, color="#0072B2")
plt.xlabel("day of departure, UTC")
plt.ylabel("late flights, % of arrivals")
plt.show()

# %% [markdown]
# The line is the year you will live through: 4 % of the arrivals late on its best day, 76 % on its worst, and long
# swings with the seasons.

# %% [markdown]
# ## The map
#
# Start where your own question is: every lesson stands alone, and takes about an hour. The sections form a loop: data,
# training, validation, deployment, monitoring, retraining, and the way back. "Not yet" is not written yet.
#
# {map}

# %% [markdown]
# ## How a check works
#
# An exercise is three cells: a question, your answer, a check. The answer cell holds a blank. Write your answer in
# place of the comment and the `raise`, run the cell with Shift+Enter, then run the check below it.
#
# - A check states facts, plain sentences that are true of a right answer, and ticks those that hold: ✓.
# - At the first that does not hold it says what was asked, what was expected, what came, and the next thought.
# - A blank is no mistake: it is "not attempted yet". Nothing stops you from going on.
# - The code of a check is folded. You never need to read it; a click on the bar at its left opens it.
#
# Try it. A flight is *late* when it arrives more than 15 minutes after schedule.


# %% answer="is_late"
def is_late(delay):
    """Whether an arrival `delay` minutes after schedule is late."""
    ### BEGIN SOLUTION
    return delay > 15
    ### END SOLUTION


# %% check="is_late" points=1
# Return a truth value: late or not.
check("An hour after schedule, and on time: late or not", [is_late(60), is_late(0)], [True, False])
# Compare with 15: late begins above it, not at it.
check("Minutes around the limit: 14, 15, 16", [is_late(14), is_late(15), is_late(16)], [False, False, True])
# Keep the sign: a flight that is early has a delay below zero.
check("Twenty minutes early is not late", [is_late(-20)], [False])
### BEGIN HIDDEN TESTS
check("An hour early, and three hours after schedule", [is_late(-60), is_late(180)], [False, True])
### END HIDDEN TESTS

# %% mistake="is_late"
# Use > and not >=: a flight exactly 15 minutes behind schedule still counts as on time.
# - delay > 15
# + delay >= 15

# %% mistake="is_late"
# Compare with 15: a flight a few minutes behind schedule is not late yet.
# - delay > 15
# + delay > 0

# %% mistake="is_late"
# Turn the comparison round: late means more minutes, not fewer.
# - delay > 15
# + delay < 15

# %% mistake="is_late"
# Keep the sign of the delay: a flight that is early has a delay below zero.
# - delay > 15
# + abs(delay) > 15


# %% alternative="is_late"
def is_late(delay):
    if delay <= 15:
        return False
    return True


# %% [markdown]
# Now change the `15` in your answer to `10`, run both cells again, and read what the check says. That is all there is
# to know.

# %% [markdown]
# ## Your progress
#
# Each check that passes is remembered in a small file on this machine, outside the course. Run this cell
# whenever you like.

# %%
progress.show()

# %% [markdown]
# ## If something goes wrong
#
# - *Kernel → Restart Kernel and Run All Cells* puts a notebook back on its feet; your answers stay.
# - To begin a lesson afresh, rename its notebook and run `make lab` again: a new copy appears beside it.
# - Some lessons end with **Say it**, an interview question to answer aloud. Compare yourself with the rubric, or hand
#   it in.
