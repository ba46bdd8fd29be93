"""Pages for people: each page's facts come from one function as a frozen value, its template only shows them."""
