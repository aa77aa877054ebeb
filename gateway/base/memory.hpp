#pragma once

namespace sanad {

// Gives memory that is free back to the system, which malloc keeps for later; after something that needed much for once. Any
// thread; takes milliseconds.
void give_back_free_memory();

}  // namespace sanad
