# one
/* two
 three */
