/** Enter in a text field. */

/**
 * Makes Enter do what sending the form does. JupyterLab 4.6 lets no form in a cell's output be sent by that key.
 */
export function onEnter(act: () => void): (event: KeyboardEvent) => void {
  return (event) => {
    // While a word is being composed, Enter ends the word.
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      act();
    }
  };
}
