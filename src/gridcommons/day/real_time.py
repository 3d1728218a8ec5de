"""The day itself: envelopes and set-points of each interval, from what is known at its start.

Every interval begins with new envelopes around what was planned, valid until the next ones; devices follow
their plans within them, and within what they have sold.
"""

from __future__ import annotations

import numpy as np

from gridcommons.day.account import Account
from gridcommons.day.community_powers import community_powers
from gridcommons.day.envelope_issuer import no_envelopes, within_given
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned, Realised
from gridcommons.day.set_points import Orders, operate
from gridcommons.envelopes.around_plan import PlanEnvelopes


def live_the_day(
    field: Field,
    planned: Planned,
    account: Account | None,
    *,
    control: bool,
    issued: PlanEnvelopes | None = None,
) -> Realised:
    """What happens when plans meet reality.

    Parameters
    ----------
    planned : Planned
        Plans of the day before.
    account : Account, optional
        What has been sold; nothing where there is none.
    control : bool
        Whether devices look at what is; else they do what was planned.
    issued : PlanEnvelopes, optional
        Operating envelopes of all assets, which are kept beside those that the study brings; none if absent.
    """
    expected, real = field.information.nowcast(), field.information.meters()
    issued = no_envelopes(planned) if issued is None else issued
    p_min_kw, p_max_kw = within_given(field, expected, (issued.p_min_kw, issued.p_max_kw))
    low_kw, high_kw = p_min_kw.copy(), p_max_kw.copy()
    if account is not None:
        mine = account.rows_of(field.row)
        low_kw[:, mine] = np.maximum(low_kw[:, mine], account.low_kw)
        # Where the grid allows less than was planned, it is the grid that is kept.
        high_kw[:, mine] = np.maximum(np.minimum(high_kw[:, mine], account.high_kw), low_kw[:, mine])
    plan_kw = None if control else planned.plan_kw
    orders = Orders(planned.target, low_kw, high_kw, plan_kw, planned.stored_target)
    done = operate(field, expected, real, orders)
    q_kvar = field.net_kvar(done.p_kw, real)
    p_kw = done.p_kw
    p_kw[:, field.scheduled], q_kvar[:, field.scheduled] = community_powers(field, planned, real)
    return Realised(
        p_kw=p_kw,
        q_kvar=q_kvar,
        wanted_kw=done.wanted_kw,
        p_min_kw=p_min_kw,
        p_max_kw=p_max_kw,
        state=done.state[:, :, 0],
        stored_kwh=done.stored_kwh,
        heat_cost=planned.heat_cost,
    )
