//! Double entry over everything that holds money: customers' accounts, accounts elsewhere, merchants'
//! tills and the cash in circulation.
//!
//! **Invariant**: the sum of all purses equals what was endowed at accounts' openings; `check` is the test's.

use crate::row::{AccountNo, MerchantNo, Minor};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purse {
    Account(AccountNo),
    Merchant(MerchantNo),
    Cash,
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    accounts: Vec<Minor>,
    merchants: Vec<Minor>,
    cash: Minor,
    endowed: Minor,
}

impl Ledger {
    pub fn add_merchants(&mut self, count: usize) {
        self.merchants = vec![Minor(0); count];
    }

    /// Opens the next account with what its owner brings.
    pub fn open(&mut self, brought: Minor) {
        self.accounts.push(brought);
        self.endowed.0 += brought.0;
    }

    pub fn balance(&self, account: AccountNo) -> Minor {
        self.accounts[account.index()]
    }

    pub fn post(&mut self, from: Purse, to: Purse, amount: Minor) {
        self.purse(from).0 -= amount.0;
        self.purse(to).0 += amount.0;
    }

    fn purse(&mut self, purse: Purse) -> &mut Minor {
        match purse {
            Purse::Account(account) => &mut self.accounts[account.index()],
            Purse::Merchant(merchant) => &mut self.merchants[merchant.index()],
            Purse::Cash => &mut self.cash,
        }
    }

    /// What all purses hold, less what was endowed: always 0.
    pub fn excess(&self) -> i64 {
        let held: i64 = self
            .accounts
            .iter()
            .chain(&self.merchants)
            .map(|purse| purse.0)
            .sum();
        held + self.cash.0 - self.endowed.0
    }
}
